//! What users, keys and locations say of themselves.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use serde_json::{Value, json};
use shared::auth::{Scope, User};
use shared::openapi::schema::{
    answer, body, boolean, example, id, in_path, in_query, integer, list, one_of, paging, pattern,
    says, text,
};
use shared::openapi::{Answer, Body, Description, Header, Operation, Who};

use crate::location::{self, Location};
use crate::routes::{Key, Me, NewKey, Registered};
use crate::user::{MOST_IDS, NewUser, Terms};

fn username() -> Value {
    says(pattern("^[A-Za-z0-9._@-]{1,64}$"), "One whatever the case, and not `admin`.")
}

fn terms() -> Vec<(&'static str, Value)> {
    vec![
        (
            "scopes",
            says(
                list(&one_of(&Scope::NAMES), 0, MOST_IDS),
                "`ecgs:read` and `ecgs:write`, where they are absent.",
            ),
        ),
        (
            "location_ids",
            says(
                list(&id(), 0, MOST_IDS),
                "Locations that there are; `default`, where they are absent.",
            ),
        ),
        ("oidc_subject", says(text(128), "Whom the identity provider's tokens name.")),
    ]
}

fn schemas() -> Vec<(&'static str, Value)> {
    let mut new = terms();
    new.push(("username", username()));
    let mut amendment = terms();
    amendment.push(("disabled", boolean()));
    amendment.push(("rate_limit_per_minute", integer(1, u32::MAX.into())));
    let (ada, key) =
        ("01a20257-0000-7000-8abb-10196065276f", "01a20257-0001-7000-8abb-10196065276f");
    let default = "00000000-0000-7000-8000-000000000000";
    let user = json!({
        "id": ada, "username": "ada", "scopes": ["coupons:write"], "location_ids": [default], "oidc_subject": null,
        "disabled": false, "rate_limit_per_minute": null, "version": 1,
        "created_at": "2026-03-02T09:30:00.000Z", "updated_at": "2026-03-02T09:30:00.000Z",
    });
    let mut registered = user.clone();
    registered["key_id"] = json!(key);
    registered["token"] = json!("qk_...");
    let shown = json!({"id": key, "user_id": ada, "created_at": "2026-03-02T09:30:00.000Z"});
    let mut made = shown.clone();
    made["token"] = json!("qk_...");
    let token = says(json!({"type": "string"}), "Shown once; null in a replay.");
    let known = [("username", username())];
    vec![
        (
            "NewUser",
            example(
                body(NewUser::MEMBERS, &["username"], &new),
                json!({"username": "ada", "scopes": ["coupons:write"]}),
            ),
        ),
        ("UserPatch", example(body(Terms::MEMBERS, &[], &amendment), json!({"disabled": true}))),
        ("User", example(answer::<User>(&known), user)),
        (
            "RegisteredUser",
            example(
                answer::<Registered>(&[("username", username()), ("token", token.clone())]),
                registered,
            ),
        ),
        (
            "Me",
            example(
                answer::<Me>(&known),
                json!({"id": ada, "username": "ada", "service": null, "location_id": default,
                       "location_ids": [default], "scopes": ["coupons:write"]}),
            ),
        ),
        ("Key", example(answer::<Key>(&[]), shown)),
        ("NewKey", example(answer::<NewKey>(&[("token", token)]), made)),
        (
            "NewLocation",
            example(
                body(location::MEMBERS, &["name"], &[("name", text(256))]),
                json!({"name": "Norwich"}),
            ),
        ),
        (
            "Location",
            example(
                answer::<Location>(&[("name", text(256))]),
                json!({"id": "01a20257-0002-7000-8abb-10196065276f", "name": "Norwich", "created_at": "2026-03-02T09:30:00.000Z"}),
            ),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of the operations")]
pub fn description() -> Description {
    use Header::{IdempotencyKey, IfMatch, IfNoneMatch};
    let read = Who::AdminOr(Scope::UsersRead);
    let of = || in_path("id", &id());
    let key = || vec![of(), in_path("key_id", &id())];
    let at = says(id(), "Needed, but for the administrator, who may ask for a name.");
    let filters = vec![
        in_query("location_id", &at),
        in_query("username", &says(username(), "For the administrator alone.")),
    ];
    let operations = vec![
        Operation {
            parameters: [filters, paging(20).into()].concat(),
            answers: vec![Answer::page("User")],
            ..Operation::new("GET", "/users", "Lists the users of a location.", read)
        },
        Operation {
            headers: &[IdempotencyKey],
            body: Body::of("NewUser"),
            answers: vec![Answer::created("RegisteredUser").with(&[
                "Location",
                "ETag",
                "Idempotency-Replayed",
            ])],
            refusals: &[(409, "username_taken"), (409, "oidc_subject_taken")],
            ..Operation::new("POST", "/users", "Registers a user, with a key.", Who::Admin)
        },
        Operation {
            answers: vec![Answer::ok("Me")],
            ..Operation::new("GET", "/users/me", "Reads the request's own context.", Who::User)
        },
        Operation {
            parameters: vec![of()],
            headers: &[IfNoneMatch],
            answers: vec![Answer::ok("User").with(&["ETag"]), Answer::not_modified()],
            ..Operation::new("GET", "/users/{id}", "Reads a user.", read)
        },
        Operation {
            more: "RFC 7396: a null makes a member what a new user has.",
            parameters: vec![of()],
            headers: &[IfMatch],
            body: Body::optional("UserPatch"),
            answers: vec![Answer::ok("User").with(&["ETag"])],
            refusals: &[(409, "oidc_subject_taken")],
            ..Operation::new(
                "PATCH",
                "/users/{id}",
                "Changes a user, everywhere within a minute.",
                Who::Admin,
            )
        },
        Operation {
            parameters: [vec![of()], paging(20).into()].concat(),
            answers: vec![Answer::page("Key")],
            ..Operation::new("GET", "/users/{id}/keys", "Lists a user's keys.", Who::Admin)
        },
        Operation {
            more: "To rotate: both keys work until the old one is deleted.",
            parameters: vec![of()],
            headers: &[IdempotencyKey],
            body: Body::optional("Nothing"),
            answers: vec![Answer::created("NewKey")],
            ..Operation::new("POST", "/users/{id}/keys", "Makes a key.", Who::Admin)
        },
        Operation {
            parameters: key(),
            answers: vec![Answer::ok("Key")],
            ..Operation::new(
                "GET",
                "/users/{id}/keys/{key_id}",
                "Reads a key, without its token.",
                Who::Admin,
            )
        },
        Operation {
            parameters: key(),
            answers: vec![Answer::no_content()],
            ..Operation::new("DELETE", "/users/{id}/keys/{key_id}", "Revokes a key.", Who::Admin)
        },
        Operation {
            parameters: paging(20).into(),
            answers: vec![Answer::page("Location")],
            ..Operation::new(
                "GET",
                "/locations",
                "Lists the locations that the caller may use.",
                Who::Known,
            )
        },
        Operation {
            headers: &[IdempotencyKey],
            body: Body::of("NewLocation"),
            answers: vec![Answer::created("Location")],
            ..Operation::new("POST", "/locations", "Creates a location.", Who::Admin)
        },
        Operation {
            parameters: vec![of()],
            answers: vec![Answer::ok("Location")],
            ..Operation::new("GET", "/locations/{id}", "Reads a location.", Who::Known)
        },
    ];
    Description {
        name: "users",
        says: "Users, their keys, and the locations where they work.",
        operations,
        schemas: schemas(),
    }
}
