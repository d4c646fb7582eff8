"""Tests of KiView."""
