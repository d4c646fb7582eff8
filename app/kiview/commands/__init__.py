"""What each subcommand of the command line does: a thin layer over the jobs."""
