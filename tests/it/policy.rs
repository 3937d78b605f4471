//! Policy against a model of it that is small enough to be seen through: the decisions themselves,
//! and what becomes of them under `/v1` and on Citrix's own paths.

mod calls;
mod decisions;
mod drop_in;
mod model;
mod typed;
mod world;
