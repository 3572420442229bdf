"""Files of touchpoints: a mapping says which column is what, readers give rows, and rows become calls of the API."""
