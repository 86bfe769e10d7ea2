mod take_event;
