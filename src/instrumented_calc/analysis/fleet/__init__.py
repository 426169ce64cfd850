"""Many runs side by side: which are equal, which are slow among their equals, and on which node."""
