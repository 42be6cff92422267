"""The JSON of the API: pydantic models that check what comes in and shape what goes out.

/openapi.json is generated from these same models.
"""
