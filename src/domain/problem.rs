use std::{fmt, str::FromStr};

/// Whose move it is after a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The request is at fault; sending it again changes nothing.
    Caller,
    /// The caller's grants do not allow it; an operator of the gateway can change them.
    Policy,
    /// The gateway or its configuration is at fault.
    Gateway,
    /// Citrix, or the way to it, is at fault.
    Upstream,
}

/// Everything the documentation says of one code.
struct Entry {
    code: &'static str,
    status: u16,
    title: &'static str,
    origin: Origin,
    retryable: bool,
    meaning: &'static str,
    fix: &'static str,
}

/// Declares [`ProblemCode`] and its table from one list, so that body, page, command line and
/// OpenAPI document cannot disagree.
macro_rules! problem_codes {
    ($($variant:ident $code:literal $status:literal $origin:ident $retry:literal
        $title:literal $meaning:literal $fix:literal;)*) => {
        /// What went wrong, by a stable name. Together with its [`Origin`] this is what programs
        /// may rely on; texts may change.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum ProblemCode { $(
            #[doc = $meaning]
            $variant,
        )* }

        impl ProblemCode {
            /// Every code, by status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            fn entry(self) -> Entry {
                match self { $(
                    Self::$variant => Entry {
                        code: $code,
                        status: $status,
                        title: $title,
                        origin: Origin::$origin,
                        retryable: $retry,
                        meaning: $meaning,
                        fix: $fix,
                    },
                )* }
            }
        }
    };
}

problem_codes! {
    InvalidRequest "invalid_request" 400 Caller false
        "The request is not valid"
        "Something in the request line, a header, the query or the body is malformed or out of range; `errors` names each place."
        "Correct what `errors` names and send the request again.";
    UnknownParameter "unknown_parameter" 400 Caller false
        "Unknown parameter"
        "The query or the body holds a name that this call does not know; nothing was done, because ignoring a misspelt name would do something else than was asked."
        "Correct or remove the names listed in `errors`; each comes with the nearest known name.";
    InvalidPageToken "invalid_page_token" 400 Caller false
        "The page token is not valid here"
        "A page token belongs to one query of one app: this one was changed, made for another query, or sealed with a key that is no longer in use."
        "Start again without `pageToken`, with the same query for every page.";
    IdempotencyKeyRequired "idempotency_key_required" 400 Caller false
        "An idempotency key is required"
        "Bulk work needs an `Idempotency-Key` so that sending it twice cannot do it twice."
        "Send an `Idempotency-Key` header with a value that is unique to this piece of work, such as a UUID.";
    CredentialsMissing "credentials_missing" 401 Caller false
        "No credential was sent"
        "Everything under /v1 needs a credential, and this request has none."
        "Send `Authorization: Bearer <API key or token>` or `X-Api-Key: <API key>`.";
    CredentialsInvalid "credentials_invalid" 401 Caller false
        "The credential is not accepted"
        "The credential is malformed, unknown, revoked, meant for somebody else, or a key that has expired; which of these is only in the gateway's own log."
        "Check that the whole key or token was sent; ask the gateway's operators for a new one if it was replaced.";
    CredentialsExpired "credentials_expired" 401 Caller false
        "The credential has expired"
        "The token was genuine but its time is over."
        "Get a new token and send the request again.";
    StoreSessionExpired "store_session_expired" 401 Caller false
        "The store session has ended"
        "The StoreFront session or token that the request relies on is missing or no longer good."
        "Sign the user in to the store again and repeat the request with the new session.";
    PolicyDenied "policy_denied" 403 Policy false
        "The app may not do this"
        "The caller is known, and none of its grants allows this action there."
        "Ask the gateway's operators to grant the action that `detail` names, or use an app that has it.";
    StoreSignInRefused "store_sign_in_refused" 403 Caller false
        "The store refused the sign-in"
        "StoreFront did not accept the user name and password. The gateway does not try again, since repeated failures lock accounts."
        "Let the user check name and password before the next attempt.";
    NotFound "not_found" 404 Caller false
        "There is no such thing"
        "The path names something that does not exist, or that this app may not see."
        "Check the path; list the collection to see what there is.";
    NoAssignedMachine "no_assigned_machine" 404 Caller false
        "No machine is assigned"
        "The user has no machine of their own behind this resource, so there is nothing to power off."
        "Assign a machine to the user first.";
    MethodNotAllowed "method_not_allowed" 405 Caller false
        "The method is not allowed here"
        "The path exists but not with this method; `Allow` lists those it knows."
        "Use one of the methods in `Allow`.";
    NotAcceptable "not_acceptable" 406 Caller false
        "No acceptable representation"
        "The answer is JSON (or NDJSON where a list is streamed), and `Accept` rules both out."
        "Send `Accept: application/json`.";
    PayloadTooLarge "payload_too_large" 413 Caller false
        "The body is too large"
        "The request body is larger than the gateway takes."
        "Send less at once.";
    UriTooLong "uri_too_long" 414 Caller false
        "The request target is too long"
        "Path and query together are longer than the gateway takes."
        "Shorten the query; follow `Link` headers instead of building page addresses.";
    UnsupportedMediaType "unsupported_media_type" 415 Caller false
        "The body is not JSON"
        "A body must be JSON in UTF-8."
        "Send `Content-Type: application/json`.";
    HeadersTooLarge "headers_too_large" 431 Caller false
        "The headers are too large"
        "The request has more or longer header fields than the gateway takes."
        "Send fewer or shorter headers.";
    AmbiguousName "ambiguous_name" 409 Caller false
        "The name fits several things"
        "More than one thing has this name; nothing was done, since picking one would be a guess."
        "Use one of the ids in `candidates`.";
    AmbiguousSite "ambiguous_site" 409 Caller false
        "The customer has several sites"
        "`-` stands for the only site of a customer, and this one has more."
        "Use one of the ids in `candidates` in place of `-`.";
    MachineInUse "machine_in_use" 409 Caller false
        "The machine is in use"
        "The machine has sessions, or Citrix does not say how many, and the action would take it away from its users."
        "Wait until it is idle, or send `\"ifInUse\": \"proceed\"` if the users may be interrupted.";
    MachineInMaintenanceMode "machine_in_maintenance_mode" 409 Upstream false
        "The machine is in maintenance mode"
        "Citrix refuses the action while the machine is in maintenance mode."
        "Take the machine out of maintenance mode first.";
    OperationInProgress "operation_in_progress" 409 Upstream true
        "Another action is in progress"
        "The machine is busy with an earlier action."
        "Wait a little and send the request again.";
    ResourceDisabled "resource_disabled" 409 Upstream false
        "The resource is disabled"
        "The store knows the resource, and its administrators have disabled it."
        "Enable the resource in StoreFront.";
    OperationNotFinished "operation_not_finished" 409 Caller true
        "The operation is still running"
        "A result exists only once every item has ended."
        "Wait with `?wait=50s` on the operation, then ask again.";
    OperationNotFullySucceeded "operation_not_fully_succeeded" 409 Upstream false
        "Not every item succeeded"
        "The operation has ended, and some of its items failed, were cancelled or are unknown."
        "Read the items; `retry-failed` makes a new operation of the failed ones.";
    TooManyTargets "too_many_targets" 409 Caller false
        "More targets than allowed"
        "The selector reaches more things than `maxTargets`; nothing was started."
        "Narrow the selector, or raise `options.maxTargets` if that many are meant.";
    PlanExpired "plan_expired" 409 Caller false
        "The plan is gone"
        "Plans are kept for one hour, and the digest names none of them."
        "Make a new plan with `\"dryRun\": true`.";
    IdempotencyInProgress "idempotency_in_progress" 409 Caller true
        "The same request is being worked on"
        "A request with this `Idempotency-Key` is still running."
        "Wait and send the same request again to get its answer.";
    ActionNotSupported "action_not_supported" 422 Upstream false
        "The machine does not support this action"
        "Citrix refused the action for this machine, most often because nothing manages its power."
        "See `upstream.message` and the machine's `supportedPowerActions`.";
    IdempotencyKeyReused "idempotency_key_reused" 422 Caller false
        "The idempotency key was used for another request"
        "The key is known with another method, path, query or body."
        "Use a new key for new work.";
    QuotaExceeded "quota_exceeded" 429 Policy true
        "A limit of this gateway is reached"
        "This gateway limits what an app may do, and how many refused credentials an address may send, in a span of time. Citrix was not asked."
        "Wait for `Retry-After`; ask the gateway's operators if the limit is too low. Where credentials were refused, send the right one: it is accepted at once.";
    Internal "internal" 500 Gateway true
        "The gateway failed"
        "A fault inside the gateway. It is logged under the request id."
        "Tell the gateway's operators the `requestId`.";
    UpstreamError "upstream_error" 502 Upstream true
        "Citrix answered with an error"
        "Citrix could not do what it was asked; `upstream` holds what it said."
        "See `upstream.message`; for a fault on Citrix's side try again later and give `upstream.transactionId` to Citrix's support.";
    UpstreamMalformed "upstream_malformed" 502 Upstream false
        "Citrix's answer could not be read"
        "The answer was cut off, too large, or not what the interface promises."
        "Give `upstream.transactionId` to Citrix's support if it stays.";
    UpstreamRejectedCredentials "upstream_rejected_credentials" 502 Gateway false
        "Citrix does not accept the gateway's credential"
        "A fresh token of the customer's API client was refused. The caller's own credential is fine."
        "The gateway's operators must check the customer's API client and its secret.";
    UpstreamForbidden "upstream_forbidden" 502 Gateway false
        "Citrix denies the gateway's credential this call"
        "The customer's API client is known to Citrix and lacks the right for this call. The caller's own credential is fine."
        "The gateway's operators must give the API client the role it needs, or check customer id and region.";
    UpstreamNotTrusted "upstream_not_trusted" 502 Gateway false
        "The store does not trust the gateway"
        "StoreFront answered that the client is not trusted for this action; that says nothing about the credential."
        "The store's administrators must allow the gateway.";
    UpstreamUnspecified "upstream_unspecified" 502 Upstream false
        "The store failed without a reason"
        "StoreFront reported a failure that it does not explain; `upstream.code` holds its id, where it gave one."
        "Look in the logs of StoreFront and the Delivery Controller.";
    UpstreamUnavailable "upstream_unavailable" 503 Upstream true
        "Citrix is not available"
        "Citrix could not be reached or said that it is not available."
        "Try again after `Retry-After`.";
    UpstreamRateLimited "upstream_rate_limited" 503 Upstream true
        "Citrix limits this customer's requests"
        "The customer's share of Citrix's capacity is used up; it is shared by every caller of the gateway."
        "Try again after `Retry-After`.";
    UpstreamTokenUnavailable "upstream_token_unavailable" 503 Upstream true
        "No token can be had from Citrix"
        "Citrix's token service does not answer as it should just now."
        "Try again after `Retry-After`.";
    CredentialQuarantined "credential_quarantined" 503 Gateway false
        "The gateway's credential is out of use"
        "Citrix refused the customer's API client or the store's service account, or its configuration is wrong, so the gateway does not use it until it changes."
        "The gateway's operators must correct the credential in the configuration; where it is right and was mended elsewhere, they release it with `release-credential` of the admin API.";
    SiteHibernated "site_hibernated" 503 Upstream false
        "The site is hibernated"
        "Citrix has frozen the site because it was idle. The gateway never wakes a site by itself."
        "An administrator wakes it by signing in to Citrix DaaS.";
    PlanIncomplete "plan_incomplete" 503 Upstream true
        "The plan could not be completed"
        "Some of the sources did not answer while planning, so nothing was started."
        "Try again, or accept a partial plan with `options.partialPlan`.";
    IdentityUnavailable "identity_unavailable" 503 Gateway true
        "The identity provider cannot be asked"
        "The keys that would verify this token are not at hand and cannot be fetched just now. The token may be fine."
        "Try again after `Retry-After`.";
    AuditUnavailable "audit_unavailable" 503 Gateway true
        "The audit trail cannot be written"
        "Changes are refused while they cannot be recorded; reading goes on."
        "Tell the gateway's operators; try again after `Retry-After`.";
    Overloaded "overloaded" 503 Gateway true
        "The gateway has too much to do"
        "The request was not started, to keep others going."
        "Try again after `Retry-After`.";
    Draining "draining" 503 Gateway true
        "The gateway is shutting down"
        "This process takes no new work; another one should."
        "Try again; a load balancer will pick another process.";
    UpstreamTimeout "upstream_timeout" 504 Upstream true
        "Citrix did not answer in time"
        "Citrix was asked and did not answer before the deadline."
        "Try again, with a longer `Cwsgate-Deadline-Ms` if the list is large.";
    DeadlineExceeded "deadline_exceeded" 504 Gateway true
        "The deadline passed"
        "The time that was allowed for this request was over before Citrix could be asked."
        "Allow more time with `Cwsgate-Deadline-Ms`.";
    NotCached "not_cached" 504 Caller false
        "Not in the cache"
        "The request asked for a cached answer only, and there is none."
        "Send it without `only-if-cached`.";
    OutcomeUnknown "outcome_unknown" 504 Upstream false
        "Nobody knows whether it happened"
        "The request reached Citrix and no readable answer came back: the action may have been carried out. The gateway never repeats it."
        "Look at the thing itself before deciding whether to act again.";
}

impl ProblemCode {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        self.entry().code
    }

    /// The HTTP status it is answered with.
    pub fn status(self) -> u16 {
        self.entry().status
    }

    /// A short text that is the same for every occurrence.
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// Whose move it is.
    pub fn origin(self) -> Origin {
        self.entry().origin
    }

    /// Whether the same request can succeed later.
    pub fn retryable(self) -> bool {
        self.entry().retryable
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        self.entry().meaning
    }

    /// What to do now.
    pub fn fix(self) -> &'static str {
        self.entry().fix
    }

    /// The page of this code, as `GET /problems/{code}` and `cwsgate explain` show it.
    pub fn page(self) -> String {
        let Entry { code, status, title, origin, retryable, meaning, fix } = self.entry();
        let origin = origin.as_str();
        let retry = if retryable { "yes, later" } else { "no" };
        format!(
            "{code}\n{underline}\n\n{title}.\n\n{meaning}\n\nWhat to do: {fix}\n\n\
             HTTP status: {status}\nOrigin: {origin}\nCan the same request succeed later: {retry}\n",
            underline = "=".repeat(code.len()),
        )
    }
}

impl Origin {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Policy => "policy",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProblemCode {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

/// The text names no problem code.
#[derive(Debug, thiserror::Error)]
#[error("there is no such problem code")]
pub struct UnknownCode;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_can_be_found_by_its_name_and_explains_itself() {
        for code in ProblemCode::ALL {
            assert_eq!(code.as_str().parse::<ProblemCode>().ok(), Some(*code));
            assert!(code.page().contains(code.fix()));
            assert!(code.title().len() < 120 && !code.title().contains(['<', '>']));
        }
    }

    #[test]
    fn only_failures_that_time_can_mend_are_called_retryable() {
        assert!(!ProblemCode::OutcomeUnknown.retryable());
        assert!(ProblemCode::UpstreamUnavailable.retryable());
    }
}
