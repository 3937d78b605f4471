//! Identifiers: the same scenario gives the same ids in every run.

use uuid::Uuid;

/// The id of a thing described by `parts`, for example `["acme", "machine", "LAB\\OSPREY"]`.
pub(super) fn stable(parts: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, parts.join("\u{1f}").as_bytes()).to_string()
}

/// An id that nothing else has.
pub(super) fn fresh() -> String {
    Uuid::new_v4().to_string()
}

const NAMESPACE: Uuid = Uuid::from_u128(0x5e7c_0f4a_9f0b_4a8e_9d53_0b6b_51c1_77e1);
