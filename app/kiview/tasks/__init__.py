"""Threads, cancellation and delivery on the GUI thread. QtCore only."""

from kiview.tasks.runner import Task, TaskFailure, TaskProgress, TaskRunner, failure_of

__all__ = ["Task", "TaskFailure", "TaskProgress", "TaskRunner", "failure_of"]
