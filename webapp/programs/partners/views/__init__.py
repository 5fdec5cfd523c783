"""The pages of partners: the admins' and the partners' own."""
