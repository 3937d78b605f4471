//! What keeps calls away from Citrix just now.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::AdminState;
use crate::{
    api::{
        extract::{Caller, Query},
        list::json_utf8,
        problem::Problem,
        views::millis,
    },
    domain::CustomerName,
    services::{BreakerStatus, CooldownStatus, Guards, SlotStatus},
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GuardsView {
    breakers: Vec<BreakerView>,
    cooldowns: Vec<CooldownView>,
    slots: Vec<SlotView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BreakerView {
    scope: &'static str,
    place: String,
    customer: Option<String>,
    service: &'static str,
    state: &'static str,
    retry_after_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CooldownView {
    place: String,
    customer: Option<String>,
    service: &'static str,
    remaining_ms: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SlotView {
    place: String,
    customer: Option<String>,
    service: &'static str,
    in_flight: usize,
    waiting: usize,
}

/// Breakers, cooldowns, and the calls that are under way or wait for their turn.
pub(super) async fn show(
    Caller(ctx): Caller,
    State(AdminState { api, .. }): State<AdminState>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let guards = api.services.administration.guards(&ctx)?;
    Ok(json_utf8(Json(GuardsView::from(guards)).into_response()))
}

impl From<Guards> for GuardsView {
    fn from(guards: Guards) -> Self {
        Self {
            breakers: guards.breakers.into_iter().map(BreakerView::from).collect(),
            cooldowns: guards.cooldowns.into_iter().map(CooldownView::from).collect(),
            slots: guards.slots.into_iter().map(SlotView::from).collect(),
        }
    }
}

impl From<BreakerStatus> for BreakerView {
    fn from(breaker: BreakerStatus) -> Self {
        Self {
            scope: breaker.scope.as_str(),
            place: breaker.place.name().to_owned(),
            customer: text(breaker.customer.as_ref()),
            service: breaker.service.as_str(),
            state: breaker.state.as_str(),
            retry_after_ms: breaker.retry_after.map(millis),
        }
    }
}

impl From<CooldownStatus> for CooldownView {
    fn from(cooldown: CooldownStatus) -> Self {
        Self {
            place: cooldown.place.name().to_owned(),
            customer: text(cooldown.customer.as_ref()),
            service: cooldown.service.as_str(),
            remaining_ms: millis(cooldown.remaining),
        }
    }
}

impl From<SlotStatus> for SlotView {
    fn from(slot: SlotStatus) -> Self {
        Self {
            place: slot.place.name().to_owned(),
            customer: text(slot.customer.as_ref()),
            service: slot.service.as_str(),
            in_flight: slot.in_flight,
            waiting: slot.waiting,
        }
    }
}

fn text(customer: Option<&CustomerName>) -> Option<String> {
    customer.map(ToString::to_string)
}
