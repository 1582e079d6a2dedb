# Sourced by scripts that run from a checkout: what the machine needs, and a Python environment in .venv.
# shellcheck shell=bash

# prepare PACKAGES-OPTION: the distribution packages (install.sh's option), then .venv as setup.cfg wants it.
prepare() {
    local wanted
    scripts/install.sh "$1"
    wanted=$(cat setup.cfg pyproject.toml | sha256sum)
    if ! .venv/bin/python -c '' 2>/dev/null; then
        say "making .venv"
        /usr/bin/python3 -m venv --clear .venv
    fi
    if [[ $(cat .venv/wanted 2>/dev/null) != "$wanted" ]]; then
        say "installing Containet and what its tests need into .venv"
        # compat: a line in a .pth file instead of a finder, which every start of a command would import
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
            --config-settings editable_mode=compat -e '.[test]'
        echo "$wanted" >.venv/wanted
    fi
    export PATH=$PWD/.venv/bin:$PATH
}
