"""What a calculator is: its library, its model, its settings."""
