# Installs pgvector and pg_llm into a folder of this clone, for private servers only: the system's PostgreSQL stays as it is.
. "$ROOT/extension/setup/places.sh"
new=$STAGE.new
vector=$CACHE/pgvector/pg$PG_MAJOR

working "Extension and package: copying into $STAGE"
rm -rf "$new"
mkdir -p "$new"
[ ! -d "$vector" ] || cp -R "$vector/." "$new/"
# HypoPG, which pg_llm makes use of where it is installed: the tests are to see both.
hypopg=$CACHE/hypopg/pg$PG_MAJOR
if [ ! -e "$hypopg/.complete" ] && command -v apt-get >/dev/null; then
    rm -rf "$hypopg"
    mkdir -p "$hypopg"
    if (cd "$hypopg" && apt-get -qq -o APT::Sandbox::User=root download "postgresql-$PG_MAJOR-hypopg" && dpkg -x ./*.deb .); then
        rm -f "$hypopg"/*.deb
        touch "$hypopg/.complete"
    fi
fi
[ ! -e "$hypopg/.complete" ] || cp -R "$hypopg/." "$new/"
make -s -C "$ROOT/extension" install PG_CONFIG="$PG_CONFIG" DESTDIR="$new" >/dev/null
sh "$ROOT/extension/setup/package.sh" "$new/python" "$VENV" "$MODELS"
ln -s "$PG_BIN" "$new/bin"

# How a server is told of this folder; workbench/cluster.py includes the file.
settings=$("$PG_BIN/postgres" --describe-config | cut -f 1)
case $settings in
*extension_destdir*)
    echo "extension_destdir = '$STAGE'"
    # Parallel workers look a library up by its bare name, there only.
    echo "dynamic_library_path = '$STAGE$PG_LIB:\$libdir'"
    ;;
*extension_control_path*)
    echo "extension_control_path = '$STAGE$PG_SHARE:\$system'"
    echo "dynamic_library_path = '$STAGE$PG_LIB:\$libdir'"
    ;;
*)
    say "This PostgreSQL finds extensions in its own folders only: installing pgvector and pg_llm into $PG_SHARE"
    [ ! -d "$vector" ] || as_root cp -R "$vector/." /
    as_root make -s -C "$ROOT/extension" install BUILD="$new" PG_CONFIG="$PG_CONFIG" >/dev/null
    ;;
esac >"$new/server.conf"

rm -rf "$STAGE.old"
[ ! -d "$STAGE" ] || mv "$STAGE" "$STAGE.old"
mv "$new" "$STAGE"
rm -rf "$STAGE.old"
