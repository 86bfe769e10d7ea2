mod delete_provider_key;
mod list_providers;
mod races;
mod set_provider_key;
