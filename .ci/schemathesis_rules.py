"""What a schema can't say: requests that the document allows and that are rightly refused.

Each rule names one refusal and why it can't be told from the schema. Every other finding stands.
"""

import schemathesis

# Codes of whole refusals, by what the storage or an earlier request says.
BY_STATE = {
    "version_mismatch",  # a tag of another version
    "idempotency_key_reused",  # the same key came with another body
    "invalid_cursor",  # cursors are sealed; only the last page's is one
}

# Wrong fields, by a part of their text.
BETWEEN_FIELDS = (
    "This must be an integer.",  # 1.0 is an integer to JSON Schema, and none here
    "This can't be changed.",  # what is stored
    "must not be before",  # one date or time against another
    "There is no such location.",  # what is stored
    "The recording has no such lead.",
    "The recording has no sampling rate.",
    "Another lead has this name.",  # uniqueness by one member
    "This must be the number of the signal's samples.",  # a count of another member
    "The header Idempotency-Key says another.",  # a header against a member
    "This has more decimals than are allowed here.",  # as many as the currency has
    "Allowed: start_ms, end_ms, username, item_id, access_type, limit, cursor.",  # patients are of encounters alone
)

# Needed or not by what else is sent or stored.
NEEDED = {
    ("pointer", "/discount/currency"),
    ("pointer", "/store/lat"),  # a null counts as absent
    ("pointer", "/store/long"),
    ("parameter", "near"),
    ("parameter", "location_id"),
    ("parameter", "lead"),
}


def _is_beyond_schemas(error):
    place = next(((kind, error[kind]) for kind in ("pointer", "parameter") if kind in error), None)
    if error["code"] == "required":
        return place in NEEDED
    return any(text in error["detail"] for text in BETWEEN_FIELDS)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if type(failure).__name__ not in ("RejectedPositiveData", "AcceptedNegativeData"):
        return True
    problem = response.json()
    if problem.get("code") in BY_STATE:
        return False
    errors = problem.get("errors") or []
    return not errors or not all(_is_beyond_schemas(error) for error in errors)
