"""What the API takes and gives: pydantic models, strict on the way in, exact on the way out."""
