"""Making recorded calculators of a user's calculators: twins, proxies and their copies."""
