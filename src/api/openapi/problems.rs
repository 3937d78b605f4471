use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{Content, RefOr, Response, ResponseBuilder},
};

use crate::domain::ProblemCode;

/// Declares which problems a kind of call can answer with.
macro_rules! problem_responses {
    ($(#[$doc:meta])* $name:ident: $($code:ident),* $(,)?) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&[$(ProblemCode::$code),*])
            }
        }
    };
}

problem_responses! {
    /// What any reading call can fail with.
    ReadProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, PolicyDenied,
    NotFound, NotAcceptable, AmbiguousName, AmbiguousSite, Internal, UpstreamError,
    UpstreamMalformed, UpstreamRejectedCredentials, UpstreamForbidden, UpstreamUnavailable,
    UpstreamRateLimited, Overloaded, UpstreamTokenUnavailable, CredentialQuarantined, SiteHibernated,
    UpstreamTimeout, DeadlineExceeded, NotCached,
}
problem_responses! {
    /// What a list can fail with.
    ListProblems:
    InvalidRequest, UnknownParameter, InvalidPageToken, CredentialsMissing, CredentialsInvalid,
    PolicyDenied, NotFound, NotAcceptable, AmbiguousName, Internal, UpstreamError,
    UpstreamMalformed, UpstreamRejectedCredentials, UpstreamForbidden, UpstreamUnavailable,
    UpstreamRateLimited, Overloaded, UpstreamTokenUnavailable, CredentialQuarantined, SiteHibernated,
    UpstreamTimeout, DeadlineExceeded, NotCached,
}
problem_responses! {
    /// What a change can fail with.
    WriteProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, PolicyDenied,
    NotFound, NotAcceptable, PayloadTooLarge, UnsupportedMediaType, Internal, UpstreamError,
    UpstreamRejectedCredentials, UpstreamForbidden, UpstreamUnavailable, UpstreamRateLimited,
    Overloaded, UpstreamTokenUnavailable, CredentialQuarantined, DeadlineExceeded, OutcomeUnknown,
    IdempotencyInProgress, IdempotencyKeyReused, AuditUnavailable,
}
problem_responses! {
    /// What an action on a machine or session can fail with.
    ActionProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, PolicyDenied,
    NotFound, NotAcceptable, AmbiguousName, AmbiguousSite, MachineInUse, MachineInMaintenanceMode,
    OperationInProgress, PayloadTooLarge, UnsupportedMediaType, ActionNotSupported, Internal,
    UpstreamError, UpstreamMalformed, UpstreamRejectedCredentials, UpstreamForbidden,
    UpstreamUnavailable, UpstreamRateLimited, Overloaded, UpstreamTokenUnavailable, CredentialQuarantined,
    SiteHibernated, UpstreamTimeout, DeadlineExceeded, OutcomeUnknown, IdempotencyInProgress,
    IdempotencyKeyReused, AuditUnavailable,
}
problem_responses! {
    /// What the record of changes can fail with.
    AuditProblems:
    InvalidRequest, UnknownParameter, InvalidPageToken, CredentialsMissing, CredentialsInvalid,
    PolicyDenied, NotFound, NotAcceptable, Internal, AuditUnavailable,
}
problem_responses! {
    /// What planning or starting an operation can fail with.
    PlanProblems:
    InvalidRequest, UnknownParameter, IdempotencyKeyRequired, CredentialsMissing,
    CredentialsInvalid, PolicyDenied, NotFound, NotAcceptable, AmbiguousName, AmbiguousSite,
    TooManyTargets, PlanExpired, PayloadTooLarge, UnsupportedMediaType, IdempotencyKeyReused,
    Internal, PlanIncomplete, AuditUnavailable,
}
problem_responses! {
    /// What a call about one operation can fail with.
    OperationProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, NotFound,
    NotAcceptable, Internal, AuditUnavailable,
}
problem_responses! {
    /// What asking for the result of an operation can fail with.
    ResultProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, NotFound,
    NotAcceptable, OperationNotFinished, OperationNotFullySucceeded, Internal, AuditUnavailable,
}
problem_responses! {
    /// What retrying an operation can fail with.
    RetryProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, NotFound,
    NotAcceptable, OperationNotFinished, PayloadTooLarge, UnsupportedMediaType,
    IdempotencyKeyReused, Internal, AuditUnavailable,
}
problem_responses! {
    /// What a list of operations can fail with.
    OperationListProblems:
    InvalidRequest, UnknownParameter, InvalidPageToken, CredentialsMissing, CredentialsInvalid,
    NotFound, NotAcceptable, Internal, AuditUnavailable,
}

problem_responses! {
    /// What a call to a store can fail with.
    StoreProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, StoreSessionExpired,
    PolicyDenied, StoreSignInRefused, NotFound, NoAssignedMachine, NotAcceptable,
    MachineInMaintenanceMode, OperationInProgress, ResourceDisabled, PayloadTooLarge,
    UnsupportedMediaType, ActionNotSupported, Internal, UpstreamError, UpstreamMalformed,
    UpstreamRejectedCredentials, UpstreamForbidden, UpstreamNotTrusted, UpstreamUnspecified,
    UpstreamUnavailable, UpstreamRateLimited, Overloaded, UpstreamTokenUnavailable, CredentialQuarantined,
    UpstreamTimeout, DeadlineExceeded, OutcomeUnknown,
}
problem_responses! {
    /// What changing something through a store can fail with, beyond what any call to it can.
    StoreChangeProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, StoreSessionExpired,
    PolicyDenied, NotFound, NoAssignedMachine, NotAcceptable, MachineInMaintenanceMode,
    OperationInProgress, ResourceDisabled, PayloadTooLarge, UnsupportedMediaType,
    ActionNotSupported, Internal, UpstreamError, UpstreamMalformed, UpstreamRejectedCredentials,
    UpstreamForbidden, UpstreamNotTrusted, UpstreamUnspecified, UpstreamUnavailable,
    UpstreamRateLimited, UpstreamTokenUnavailable, CredentialQuarantined, UpstreamTimeout,
    DeadlineExceeded, OutcomeUnknown, IdempotencyInProgress, IdempotencyKeyReused, AuditUnavailable,
}

/// One response a status, naming every code that can come with it.
fn responses(codes: &[ProblemCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in codes.iter().chain(ANYWHERE) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let lines: Vec<_> =
                codes.iter().map(|code| format!("`{code}`: {}", code.title())).collect();
            let schema = RefOr::Ref(utoipa::openapi::Ref::from_schema_name("Problem"));
            let response = ResponseBuilder::new()
                .description(lines.join("; "))
                .content("application/problem+json", Content::new(Some(schema)))
                .build();
            (status.to_string(), RefOr::T(response))
        })
        .collect()
}

/// What any call can fail with that needs a credential, beyond what is listed with each kind.
const ANYWHERE: &[ProblemCode] = &[
    ProblemCode::CredentialsExpired,
    ProblemCode::QuotaExceeded,
    ProblemCode::IdentityUnavailable,
];
