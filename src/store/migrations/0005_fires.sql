-- one row per fire (the nominal time of a job) that a run was started for; each is served once, whatever starts the runs
CREATE TABLE fires (
  job       TEXT NOT NULL, -- name of the job
  fire_at   TEXT NOT NULL, -- the nominal time
  run_id    INTEGER REFERENCES runs(id) ON DELETE SET NULL, -- the run that served it
  served_at TEXT, -- when that run ended; null while nothing has served it
  PRIMARY KEY (job, fire_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX fires_by_run ON fires (run_id);
