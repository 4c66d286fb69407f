/** A manifest with every section and every form of a dependency, in a hand-made layout. */
export const EVERYTHING_TOML = `# Orbit: schedules actors
[package]
name        = "orbit-scheduler"   # aligned on purpose
version     = "2.1.0-rc.1"
authors     = ["Ada <ada@example.com>", 'Grace']
description = """
Schedules actors.
"""
license     = "MIT OR Apache-2.0"
repository  = "https://example.com/orbit.git"
homepage    = "https://example.com"
keywords    = ["actor", "time"]
categories  = [
  "actors",   # the only one
]
edition     = "2024"
gal-version = "1.0"
exclude     = ["*.tmp"]
executables = ["bin/orbit"]
publish     = ["company"]

[package.metadata.docs]
theme = "dark"
since = 2024-05-01

[dependencies]
courier = "^1.2.0"
metronome = { version = "0.5", features = ["cron"], default-features = false }
near = { path = "../near" }
far = { git = "https://example.com/far.git", tag = "v1.0" }
both = { path = "../both", version = "0.1.0" }
"company/ledger" = { version = ">=1.0, <3.0", registry = "company" }

[dependencies.spare]     # a table of its own
version = "1"
optional = true
package = "spare-parts"
targets = ["x86_64-linux"]

[dev-dependencies]
probe = "^2.0"

[build-dependencies]
forge = "1.0"

[peer-dependencies]
stage = { version = "3", optional = true }

[features]
default = ["standard"]
standard = ["courier/default"]
extra = ["dep:spare", "company/ledger/audit", "metronome?/fast"]

[profile.dev]
optimization_level = 0
debug = true
chaos_profile = "wild"

[profile.release]
inherits = "dev"
optimization_level = 3
debug = false
lto = "fat"
chaos_profile = "calm"
strip = true

[chaos-profile.calm]
fault_injection_rate = 0.001
allowed_faults = ["network_delay", "packet_loss"]
max_fault_duration = "5s"
network_partition_probability = 0.0001
message_drop_rate = 0.001

[chaos-profile.wild]
fault_injection_rate = 0.5
allowed_faults = ["all"]
chaos_seed = 12345
max_fault_duration = "1m"

[[chaos-profile.wild.fault_schedule]]
fault_type = "message_drop"
trigger = "on_send"
probability = 0.1
duration = "100ms"

[[chaos-profile.wild.fault_schedule]]
fault_type = "network_partition"
trigger = "cron:0 */5 * * * *"  # every five minutes
duration = "30s"

[security]
require_signatures = true
max_risk_level = "medium"
allowed_licenses = ["MIT"]

[hosts]
revit = ["2024", "2025"]

[runtimes]
python3 = ">=3.8"
shell = "*"

[tool.other]
anything = [1, 2.5, { deep = true }]
`;

export const PYPROJECT = `[build-system]
requires = ["hatchling"]

[project]
name = "Wall-Tools"
version = "1.0.0"
description = "Tools for walls"
authors = [{ name = "Ada", email = "ada@example.com" }]
license = { file = "LICENSE" }
readme = "README.md"
requires-python = ">=3.9,<4"
classifiers = ["Topic :: Software Development"]
dependencies = [
    "PyYAML>=6.0",  # configuration
    "requests[socks] >=2.28, !=2.29.0",
    "winreg>=1.0; sys_platform == 'win32'",
    "nearby",
]

[project.optional-dependencies]
test = ["pytest~=8.1"]

[project.urls]
Homepage = "https://example.com"
Issues = "https://example.com/issues"

[dependency-groups]
dev = ["ruff==0.6.1"]

[tool.black]
line-length = 88

[tool.revitpy]
supported_revit_versions = ["2023", "2024", "2026"]
categories = ["geometry"]
build-dependencies = ["compiler>=1"]
entry_points = { commands = ["run = wall_tools:main"] }

[tool.revitpy.sources]
nearby = { path = "../nearby" }
`;

export const PACK = `# Sends mail
ref: mail
label: "Mail"
description: "Sends and reads mail"
version: "1.4.0"
author: "Ops"
email: "ops@example.com"
enabled: true

conf_schema:
  host: { type: string, default: "localhost" }

meta:
  category: messaging
  license: MIT
  keywords:
    - smtp
  python_dependencies:
    - "aiosmtplib>=3.0"

tags: [mail]
runtime_deps:
  - python3>=3.8
  - shell

dependencies:
  - core
  - http@1.2.0   # exact
`;

export const REVITPY = `[package]
name = "door-addon"
version = "0.3.0"
author = "Ada"
license = "MIT"

[package.revit_compatibility]
min_version = "2022"
max_version = "2024"
tested_versions = ["2022", "2024"]

[package.desktop]
package_type = "addon"

[dependencies]
geometry = ">=1.0,<2.0"
`;
