mod download_export;
