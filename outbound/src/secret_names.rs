//! Which names say that a value is a credential.

/// What stands where a secret was.
pub const MASK: &str = "***";

/// Whether a header or a query parameter of this name carries a credential.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    const PARTS: &[&str] = &[
        "authorization",
        "cookie",
        "token",
        "secret",
        "password",
        "passwd",
        "credential",
        "signature",
        "session",
    ];
    let is_key = matches!(name.as_str(), "key" | "sig" | "auth")
        || name.ends_with("-auth")
        || name.ends_with("_auth")
        || name.ends_with("-key")
        || name.ends_with("_key")
        || name.ends_with("apikey");
    // Whose side is spoken for, not a credential.
    let is_harmless = name == "idempotency-key";
    !is_harmless && (is_key || PARTS.iter().any(|part| name.contains(part)))
}
