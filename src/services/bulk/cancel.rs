use uuid::Uuid;

use super::Bulk;
use crate::{
    audit::{Event, Target},
    domain::{CallContext, CustomerName},
    services::Error,
};

impl Bulk {
    /// Cancels an operation that reaches these customers: `work` does it, once it is recorded.
    /// What reaches several is recorded as of none, for those who may see the record of all.
    ///
    /// # Errors
    /// When it cannot be recorded, or with the error of `work`.
    pub async fn cancel(
        &self,
        ctx: &CallContext,
        operation: Uuid,
        customers: &[String],
        work: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> Result<(), Error> {
        let customer = match customers {
            [only] => CustomerName::try_from(only.as_str()).ok(),
            _ => None,
        };
        let target = Target { kind: "operation".into(), id: operation.to_string(), name: None };
        let event =
            Event { action: "cancel".into(), customer, target: Some(target), ..Event::default() };
        let mut ctx = ctx.clone();
        ctx.operation_id = Some(operation);
        self.core.act(&ctx, event, work).await
    }
}
