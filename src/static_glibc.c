/*
 * A static glibc resolves names by itself from /etc/hosts and DNS. For any other source in /etc/nsswitch.conf it loads
 * a library of the system at run time, and where that is of another glibc the process aborts. So the program never
 * asks for one: before main, whatever the file says, hosts are looked up in these two.
 */
#include <nss.h>

__attribute__((constructor)) static void look_up_hosts_in_files_and_dns(void) {
    __nss_configure_lookup("hosts", "files dns");
}
