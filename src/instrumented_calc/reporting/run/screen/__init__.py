"""The report on one screen: the most important figures of one or several journals."""
