"""What the JSON API and the pages share."""
