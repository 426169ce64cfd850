"""Who computes and who asks: lanes and drivers."""
