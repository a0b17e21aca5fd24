"""The rooms of sign-in: the door, enrolment, a person's own page, and the accounts for admins."""
