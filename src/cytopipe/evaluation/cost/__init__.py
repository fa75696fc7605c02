"""What a network costs, in processor time and parameters, beside what it reaches."""
