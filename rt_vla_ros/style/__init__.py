"""Stylesheets of the console and the reports, with light and dark themes."""
