"""What several edges read, write and share: budgets, profiles, artifacts, histories, options."""
