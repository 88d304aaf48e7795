# pgvector 0.8 or newer: where the server has none and no package offers it, built from the distribution's source package.
. "$ROOT/extension/setup/places.sh"
TREE=$CACHE/pgvector/pg$PG_MAJOR

[ ! -e "$TREE/.complete" ] || exit 0
installed=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$PG_SHARE/extension/vector.control" 2>/dev/null || :)
if [ -n "$installed" ]; then
    [ "$(printf '0.8\n%s\n' "$installed" | sort -V | head -n 1)" != 0.8 ] || exit 0
fi

package=postgresql-$PG_MAJOR-pgvector
offered() { apt-cache policy "$package" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p'; }
offered=$(offered)
if [ -z "$offered" ] && command -v apt-get >/dev/null; then
    # Where a machine has no lists yet, or old ones.
    as_root apt-get -qq update || :
    offered=$(offered)
fi
if [ "${PG_BIN#/usr/lib/postgresql/}" != "$PG_BIN" ] && [ -n "$offered" ] && dpkg --compare-versions "$offered" ge 0.8; then
    working "pgvector: installing $package $offered"
    apt_install "$package"
    exit 0
fi

advice="install pgvector 0.8 or newer for $PG_CONFIG (package $package of apt.postgresql.org, or its source) and run this again"
. /etc/os-release
case $ID in
debian) suite=trixie component=main ;;
ubuntu) suite=resolute component=universe ;;
*) fail "no pgvector source package is known for $ID; $advice" ;;
esac
# PostgreSQL 18 takes pgvector 0.8.1 or newer, which trixie has not.
[ "$PG_MAJOR" -lt 18 ] || [ "$suite" != trixie ] || suite=sid
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Origin: ${NAME%% *}" | head -n 1)
[ -n "$mirror" ] || fail "apt has no package lists of $ID yet; run apt-get update, then this again"

working "pgvector: building it from the source package of $ID $suite (a minute)"
missing=
# The headers tell: Debian's server package brings the makefiles of PGXS without them.
[ -e "$("$PG_CONFIG" --includedir-server)/postgres.h" ] || missing="postgresql-server-dev-$PG_MAJOR"
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
if [ -n "$missing" ]; then
    say "    a compiler and the server's headers first:" $missing "(about 800 MB; a minute or two)"
    # shellcheck disable=SC2086
    server_packages $missing
fi
# A private apt configuration: nothing in /etc or in the system's lists changes.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/parts" "$work/lists/partial" "$work/source"
cat >"$work/parts/source.sources" <<END
Types: deb-src
URIs: $mirror
Suites: $suite
Components: $component
Signed-By: /usr/share/keyrings/$ID-archive-keyring.gpg
END
private_apt() {
    apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/parts" \
        -o Dir::State::Lists="$work/lists" -o APT::Sandbox::User=root "$@"
}
private_apt update || fail "the source lists of $ID $suite cannot be read; $advice"
(cd "$work/source" && private_apt source --download-only pgvector >/dev/null) || fail "no source package; $advice"
tar -xf "$work"/source/pgvector_*.orig.tar.* -C "$work/source" --strip-components=1

rm -rf "$TREE"
mkdir -p "$TREE"
for goal in all install; do
    # OPTFLAGS empty: no -march=native, so that the build may be copied to another machine.
    make -s -C "$work/source" PG_CONFIG="$PG_CONFIG" with_llvm=no OPTFLAGS="" DESTDIR="$TREE" $goal >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "pgvector does not build; $advice"; }
done
touch "$TREE/.complete"
