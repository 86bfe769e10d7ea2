mod delete_secret;
mod list_secrets;
mod races;
mod set_secret;
