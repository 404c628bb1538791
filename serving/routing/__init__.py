"""What is done with a film that arrives: graded or left alone, how soon, and where its results go."""
