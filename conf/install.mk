# make install and make uninstall, for people and packagers alike.
#
# PREFIX      where programs go; also written into msvc.pc and the unit
# DESTDIR     put in front of every path, for packages
# SYSCONFDIR  where msvc.ini goes unless one is there; msvc looks in /etc

SYSCONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(DATADIR)/bash-completion/completions
INSTALL ?= install

MAN_PAGES := $(wildcard man/*.[1-9])
INSTALL_PROGRAMS := msvc msvc-router msvc-logger msvc-nng
INSTALL_PATHS := sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@BINDIR@|$(BINDIR)|g' \
    -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
    -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' -e 's|@VERSION@|$(VERSION)|g' \
    -e 's|@MSGPACK@|$(MSGPACK_PC)|g'

.PHONY: install
install: all
	$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(LIBDIR)/pkgconfig" \
	    "$(DESTDIR)$(INCLUDEDIR)/msvc/svc" "$(DESTDIR)$(UNITDIR)" \
	    "$(DESTDIR)$(COMPLETIONDIR)" "$(DESTDIR)$(DATADIR)/doc/msvc" \
	    "$(DESTDIR)$(SYSCONFDIR)/msvc"
	$(INSTALL) -m 0755 $(INSTALL_PROGRAMS:%=$(B)/bin/%) \
	    "$(DESTDIR)$(BINDIR)/"
	$(INSTALL) -m 0644 $(B)/lib/libmsvc.a $(B)/lib/libmsvc.so.0 \
	    "$(DESTDIR)$(LIBDIR)/"
	ln -sf libmsvc.so.0 "$(DESTDIR)$(LIBDIR)/libmsvc.so"
	$(INSTALL) -m 0644 svc/svc.h "$(DESTDIR)$(INCLUDEDIR)/msvc/svc/"
	$(INSTALL_PATHS) conf/msvc.pc.in \
	    >"$(DESTDIR)$(LIBDIR)/pkgconfig/msvc.pc"
	$(INSTALL_PATHS) conf/msvc.service.in \
	    >"$(DESTDIR)$(UNITDIR)/msvc.service"
	chmod 0644 "$(DESTDIR)$(LIBDIR)/pkgconfig/msvc.pc" \
	    "$(DESTDIR)$(UNITDIR)/msvc.service"
	$(INSTALL) -m 0644 conf/msvc.bash "$(DESTDIR)$(COMPLETIONDIR)/msvc"
	@set -e; for page in $(MAN_PAGES); do \
	    dir="$(DESTDIR)$(MANDIR)/man$${page##*.}"; \
	    $(INSTALL) -d "$$dir"; \
	    $(INSTALL) -m 0644 "$$page" "$$dir/"; done
	$(INSTALL) -m 0644 conf/msvc.ini \
	    "$(DESTDIR)$(DATADIR)/doc/msvc/msvc.ini"
	@if [ -e "$(DESTDIR)$(SYSCONFDIR)/msvc/msvc.ini" ]; then \
	    echo "$(DESTDIR)$(SYSCONFDIR)/msvc/msvc.ini: kept"; else \
	    $(INSTALL) -m 0644 conf/msvc.ini \
	        "$(DESTDIR)$(SYSCONFDIR)/msvc/msvc.ini"; fi

# The configuration stays: it is not ours any more.
.PHONY: uninstall
uninstall:
	@for program in $(INSTALL_PROGRAMS); do \
	    rm -f "$(DESTDIR)$(BINDIR)/$$program"; done
	rm -f "$(DESTDIR)$(LIBDIR)/libmsvc.a" \
	    "$(DESTDIR)$(LIBDIR)/libmsvc.so" \
	    "$(DESTDIR)$(LIBDIR)/libmsvc.so.0" \
	    "$(DESTDIR)$(LIBDIR)/pkgconfig/msvc.pc" \
	    "$(DESTDIR)$(UNITDIR)/msvc.service" \
	    "$(DESTDIR)$(COMPLETIONDIR)/msvc"
	rm -rf "$(DESTDIR)$(INCLUDEDIR)/msvc" "$(DESTDIR)$(DATADIR)/doc/msvc"
	@for page in $(notdir $(MAN_PAGES)); do \
	    rm -f "$(DESTDIR)$(MANDIR)/man$${page##*.}/$$page"; done
