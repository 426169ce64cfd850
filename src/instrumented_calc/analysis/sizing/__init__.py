"""What a job needs, predicted from runs of several sizes."""
