mod call_webhook;
