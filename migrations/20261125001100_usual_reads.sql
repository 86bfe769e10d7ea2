-- Indexes for reads that a frontend makes again and again; tests/isolation/plans.rs looks at their plans.

create index usage_created_at on public.usage (tenant_id, created_at);
