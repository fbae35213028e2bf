"""What is known of an account's address books and cards, and the pass that keeps it true."""
