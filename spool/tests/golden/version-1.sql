-- A spool as version 1 of the tables has left it.
PRAGMA application_id = 1903519093;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE attempts (
    home TEXT NOT NULL, job INTEGER NOT NULL, attempt INTEGER NOT NULL, user TEXT NOT NULL, accepted_ms INTEGER NOT NULL,
    state TEXT NOT NULL, open INTEGER NOT NULL, PRIMARY KEY (home, job)
) STRICT, WITHOUT ROWID;
INSERT INTO "attempts" VALUES('redfish',4,1,'alice',5,'"accepted"',1);
CREATE TABLE commons (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, job TEXT NOT NULL) STRICT;
INSERT INTO "commons" VALUES(1,X'4D51561F3D75CE872B7ED877A9F8D588F0E401F4401426053C6BB87DE138DABB','{"argv":[],"environment":["HOME=/",{"b64":"WD3/"}],"directory":"/tmp","umask":18,"nice":0,"limits":[],"ignored_signals":[],"descriptors":["pipe","pipe","pipe"],"queue":"wait","hosts":[],"home":"redfish","submit_key":"","batch":{"restartable":false,"retries":0,"backoff_s":0,"stdin":null,"data":null,"stdout":null,"stderr":null,"variants":[],"rq_variables":false}}');
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, state TEXT NOT NULL, record TEXT NOT NULL, user TEXT NOT NULL, queue TEXT NOT NULL,
    lane INTEGER NOT NULL, priority INTEGER NOT NULL, name TEXT, tags TEXT NOT NULL, mail TEXT,
    command TEXT NOT NULL, argv TEXT NOT NULL, directory BLOB NOT NULL, common INTEGER NOT NULL,
    submission INTEGER NOT NULL, number INTEGER NOT NULL, restartable INTEGER NOT NULL, retries INTEGER NOT NULL,
    retries_submitted INTEGER NOT NULL, backoff_s INTEGER NOT NULL, not_before_us INTEGER NOT NULL, attempt INTEGER NOT NULL, host TEXT,
    submitted_us INTEGER NOT NULL, started_us INTEGER, ended_us INTEGER, exit INTEGER, signal TEXT, core INTEGER,
    wall_us INTEGER, user_us INTEGER, system_us INTEGER, max_rss_kib INTEGER, left_over INTEGER NOT NULL,
    stdout BLOB, stderr BLOB, report TEXT NOT NULL
) STRICT;
INSERT INTO "jobs" VALUES(1,'finished','{"finished":{"end":{"outcome":{"exited":3},"usage":{"wall_us":1000,"user_us":500,"system_us":100,"max_rss_kib":64}},"place":{"attempt":1,"host":"redfish","spool":"0123456789abcdef0123456789abcdef"},"output":"safe"}}','alice','wait',1,0,NULL,'[]',NULL,'a','["a"]',X'2F746D70',1,1,0,0,0,0,0,0,1,'redfish',1790000000000000,1789999999999000,1790000000000000,3,NULL,0,1000,500,100,64,0,NULL,NULL,'sent');
INSERT INTO "jobs" VALUES(2,'pending','{"pending":{"lost":null}}','alice','wait',1,0,NULL,'["night"]',NULL,'b','["b"]',X'2F746D70',1,1,1,0,0,0,0,0,0,NULL,1790000000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'');
INSERT INTO "jobs" VALUES(3,'held','{"held":{"lost":null}}','alice','wait',1,0,NULL,'[]',NULL,'c','["c"]',X'2F746D70',1,1,2,0,0,0,0,0,0,NULL,1790000000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'');
INSERT INTO "jobs" VALUES(4,'running','{"running":{"place":{"attempt":1,"host":"redfish","spool":"0123456789abcdef0123456789abcdef"},"stage":{"placed":{"cancel":"no","earlier":null}},"contact":"heard"}}','alice','wait',1,0,NULL,'[]',NULL,'d','["d"]',X'2F746D70',1,1,3,0,0,0,0,0,1,'redfish',1790000000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'');
INSERT INTO "jobs" VALUES(5,'cancelled','"cancelled"','alice','wait',1,0,NULL,'[]',NULL,'e','["e"]',X'2F746D70',1,1,4,0,0,0,0,0,0,NULL,1790000000000000,NULL,1790000000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'owed');
CREATE TABLE lanes (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, queue TEXT NOT NULL, hosts TEXT NOT NULL, UNIQUE (user, queue, hosts)
) STRICT;
INSERT INTO "lanes" VALUES(1,'alice','wait','[]');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('boot','one');
INSERT INTO "meta" VALUES('spool','0123456789abcdef0123456789abcdef');
INSERT INTO "meta" VALUES('tally','{"states":{"cancelled":1,"finished":1,"held":1,"pending":1,"running":1},"exits":{"3":1},"signals":{},"finished":1,"wall_us":1000,"hours":{"497222":1}}');
CREATE TABLE submissions (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, key TEXT NOT NULL, root BLOB NOT NULL, signature BLOB NOT NULL,
    certificate BLOB NOT NULL, at_us INTEGER NOT NULL, count INTEGER NOT NULL, ids TEXT NOT NULL,
    digests BLOB NOT NULL, UNIQUE (user, key)
) STRICT;
INSERT INTO "submissions" VALUES(1,'alice','k',X'0707070707070707070707070707070707070707070707070707070707070707',X'08080808080808080808080808080808080808080808080808080808080808080808080808080808080808080808080808080808080808080808080808080808',X'010203',1790000000000000,5,'[[1,5]]',X'00000000000000000000000000000000000000000000000000000000000000000101010101010101010101010101010101010101010101010101010101010101020202020202020202020202020202020202020202020202020202020202020203030303030303030303030303030303030303030303030303030303030303030404040404040404040404040404040404040404040404040404040404040404');
CREATE INDEX jobs_by_lane ON jobs (lane, priority DESC, id) WHERE state = 'pending';
CREATE INDEX jobs_later ON jobs (lane, not_before_us) WHERE state = 'pending' AND not_before_us > 0;
CREATE INDEX jobs_unsettled ON jobs (id) WHERE state = 'running' OR state = 'dead';
CREATE INDEX jobs_held ON jobs (id) WHERE state = 'held';
CREATE INDEX jobs_owed ON jobs (id) WHERE report = 'owed';
CREATE INDEX attempts_open ON attempts (home, job) WHERE open = 1;
COMMIT;
