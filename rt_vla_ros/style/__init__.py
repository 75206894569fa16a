"""What every page looks like, in light and in dark: the stylesheets of the console and of the reports."""
