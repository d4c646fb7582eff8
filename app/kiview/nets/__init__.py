"""Networks that turn SUV frames and a plasma curve into parametric maps."""
