CREATE ROLE service LOGIN;
CREATE ROLE service_reader LOGIN;
CREATE DATABASE service OWNER service;
GRANT pg_read_all_data TO service_reader;
ALTER ROLE service_reader SET default_transaction_read_only = on;
GRANT pg_read_all_stats TO service_reader, service;
