"""`rt-vla bench faults`: real processes, real faults at random moments, and how long the arm goes on moving."""
