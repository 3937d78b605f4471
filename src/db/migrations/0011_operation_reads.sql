-- Items in one state, and operations whose time to be kept is over, without a look at all the others.
CREATE INDEX operation_item_of_state ON operation_item (operation_id, state, seq);
CREATE INDEX operation_ended ON operation (ended);
