//! The stable codes of refusals, in one table: status, meaning, and what a client does about it. The
//! page `docs/reference/errors.md` is made from it.

/// A code that clients may match on.
#[derive(Debug)]
pub struct Known {
    /// The member `code` of the body.
    pub code: &'static str,
    /// The status that it comes with.
    pub status: u16,
    /// What it means, for whoever writes a client.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($status:literal $code:ident $meaning:literal)+) => {
        &[$(Known { code: stringify!($code), status: $status, meaning: $meaning }),+]
    };
}

/// Every code there is, by status.
pub const CODES: &[Known] = codes! {
    400 email_taken "Somebody has the e-mail address"
    400 invalid_body "The body broke off, or could not be read"
    400 invalid_form "The body is not one form, or names a field twice"
    400 invalid_json "The body is not one strict JSON object: see the message"
    400 invalid_path "A part of the path is no UTF-8"
    400 invalid_query "The query has a wrong type, a name twice, or for `/verify` a name that it does not know"
    400 invalid_request "`fields` says what is wrong with each field"
    400 token_too_large "A token with these roles would be larger than 1,024 bytes; the message names them"
    400 username_taken "Somebody has the username"
    401 invalid_client "A service's name and secret are wrong or missing: see `countersign client add`"
    401 invalid_credentials "Wrong password, unknown user or disabled account; nobody learns which"
    401 refresh_expired "The session is too old, or was unused for too long: sign in"
    401 refresh_invalid "The refresh token is ill-made or unknown, or its session has ended: sign in"
    401 refresh_reused "The refresh token had been replaced, so somebody copied it; the session has ended: sign in"
    401 session_invalid "The session cookie belongs to no living session: sign in"
    401 token_expired "The access token is too old: refresh once and repeat"
    401 token_malformed "The credential is no access token, or was sent twice"
    401 token_missing "No credential was sent"
    401 token_not_yet_valid "The access token begins later"
    401 token_revoked "The login has ended: refresh once, then sign in"
    401 token_signature_invalid "The access token was changed, or signed by a key that is not ours now"
    401 token_superseded "Roles or names have changed: refresh once and repeat"
    401 token_wrong_audience "The access token is for another service"
    401 token_wrong_issuer "The access token is from another server"
    401 token_wrong_type "The token is no access token"
    403 cross_site_request "The change comes from another site: see `cors.origins`"
    403 forbidden "Known, but not allowed; signing in again does not help"
    403 registration_closed "`registration.enabled` is false"
    404 not_found "No such route, or nothing of that id"
    405 method_not_allowed "The route takes other methods: see `Allow`"
    408 timeout "The request took longer than `server.request_timeout`"
    409 exists "Something of that name exists"
    409 last_admin "Nobody would be left who can administer"
    409 shared_secret "Tokens are signed with JWT_SECRET_KEY: there are no keys to manage"
    413 body_too_large "The body is larger than `limits.body_bytes`"
    415 unsupported_media_type "Send the `Content-Type` that the message names"
    429 too_many_attempts "Wait out `Retry-After`; live sessions are not touched"
    431 head_too_large "The head is larger than `limits.header_bytes`, or has more than 64 headers"
    500 internal "A defect here; the log has more under the answer's `X-Request-Id`"
    503 busy "Too much is waiting: wait out `Retry-After` and keep the credential"
    503 not_ready "The message says why"
    503 unavailable "The database cannot be reached: wait out `Retry-After` and keep the credential"
};

/// Whether a refusal with this status and code stands in the table.
pub(super) fn is_known(status: u16, code: &str) -> bool {
    CODES
        .iter()
        .any(|known| (known.status, known.code) == (status, code))
}

/// The reference page, in Markdown.
pub fn reference() -> String {
    let rows: String = CODES
        .iter()
        .map(
            |Known {
                 code,
                 status,
                 meaning,
             }| format!("| {status} | `{code}` | {meaning} |\n"),
        )
        .collect();
    format!(
        "# Error codes\n\n\
         Made from `crates/server/src/http/codes.rs`; `UPDATE=1 cargo test -p countersign-server` renews it.\n\n\
         A refusal is `{{\"code\": …, \"message\": …}}`, with `fields` where a rule about fields was broken. \
         Programs match on the code, which stays; messages are for people and may change. 401 comes with \
         `WWW-Authenticate`, 429 and 503 with `Retry-After`.\n\n\
         Below `/oauth2/` a refusal is `{{\"error\": …, \"error_description\": …}}` (RFC 6749, section 5.2) \
         with the same status: `invalid_client`, `invalid_request`, `temporarily_unavailable` or `server_error`.\n\n\
         | status | code | meaning |\n| --- | --- | --- |\n{rows}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_token::Refusal;

    #[test]
    fn the_table_is_in_order_and_names_nothing_twice() {
        let keys: Vec<_> = CODES
            .iter()
            .map(|known| (known.status, known.code))
            .collect();
        assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0].1 != pair[1].1));
        assert!(!is_known(401, "not_found") && !is_known(404, "nothing"));
    }

    #[test]
    fn every_refusal_of_a_token_is_in_the_table() {
        for refusal in [
            Refusal::Malformed,
            Refusal::SignatureInvalid,
            Refusal::UnknownKey,
            Refusal::WrongType,
            Refusal::WrongIssuer,
            Refusal::WrongAudience,
            Refusal::NotYetValid,
            Refusal::Expired,
            Refusal::Revoked,
            Refusal::Ahead,
            Refusal::Superseded,
        ] {
            assert!(is_known(401, refusal.code()), "{refusal:?}");
        }
    }
}
