/*
 * The firmware as a program of the host: its line is a unix socket with one client at a time; what others
 * would see of a chip comes by arguments. It lives until SIGTERM or SIGINT, and takes its socket away.
 * REBOOT starts the firmware anew in the same process, as a chip would behind the same cable.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../tsp/tsp.h"
#include "../board.h"

/* The firmware asks for a byte after each row; a system call each time would cost more than the row. */
#define LOOK_US 200
#define END 0xc0

static const char usage[] =
    "usage: board-native <socket> [--uid <24 hex digits>] [--temperature-file <file>] [--no-derive] [--bauds]\n"
    "  --temperature-file  °C as a decimal number, read once a second\n"
    "  --no-derive         a board that must be sent the checkpoints of each seed\n"
    "  --bauds             offers rates, though bytes flow at any\n";

static const uint32_t bauds[] = {115200, 460800, 921600};

struct board_info board_info = {.id = 4, .name = "native"};

static const char *socket_path;
static const char *temperature_file;
static uint8_t uid[12];
static uint32_t restarts;
static jmp_buf start;

static int listener = -1;
static int client = -1;
static uint64_t looked_at;
static uint8_t input[4096];
static size_t input_at, input_length;
/* Room for a frame all of whose bytes are escaped. */
static uint8_t output[4096];
static size_t output_length;
/* What is being written, and whether the client that its beginning was for is gone. */
static enum { BETWEEN, IN_FRAME, IN_TEXT } mode;
static bool is_cut;
static uint32_t rate;

static volatile sig_atomic_t is_ending;

static void end(int number) {
  (void)number;
  is_ending = 1;
}

static void exit_if_ending(void) {
  if (!is_ending) return;
  unlink(socket_path);
  exit(0);
}

static uint64_t micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* The line. */

static void drop_client(void) {
  if (client >= 0) close(client);
  client = -1;
  input_at = input_length = output_length = 0;
  is_cut = mode != BETWEEN;
}

static void take_client(void) {
  client = accept(listener, NULL, NULL);
  if (client >= 0) fcntl(client, F_SETFL, O_NONBLOCK);
}

static void send_output(void) {
  size_t sent = 0;
  while (client >= 0 && sent < output_length) {
    ssize_t n = send(client, output + sent, output_length - sent, MSG_NOSIGNAL);
    if (n > 0) {
      sent += (size_t)n;
      continue;
    }
    exit_if_ending();
    if (errno == EINTR) continue;
    struct pollfd wait = {.fd = client, .events = POLLOUT};
    bool is_full = errno == EAGAIN || errno == EWOULDBLOCK;
    /* A UART would not wait for who does not read either. */
    if (!is_full || poll(&wait, 1, BOARD_STUCK_MS) == 0) drop_client();
  }
  output_length = 0;
}

static void look(void) {
  exit_if_ending();
  if (client < 0) take_client();
  if (client < 0) return;
  ssize_t n = recv(client, input, sizeof input, 0);
  if (n > 0) {
    input_at = 0;
    input_length = (size_t)n;
  } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
    drop_client();
  }
}

int board_read(void) {
  if (input_at == input_length) {
    uint64_t now = micros();
    if (now - looked_at < LOOK_US) return -1;
    looked_at = now;
    look();
  }
  return input_at < input_length ? input[input_at++] : -1;
}

/* A new client does not get the rest of what began before it. */
bool board_write(uint8_t byte) {
  if (is_cut) {
    is_cut = false;
    mode = BETWEEN;
    return false;
  }
  if (mode == BETWEEN) mode = byte == END ? IN_FRAME : IN_TEXT;
  else if (byte == (mode == IN_FRAME ? END : '\n')) mode = BETWEEN;
  output[output_length++] = byte;
  if (mode == BETWEEN || output_length == sizeof output) send_output();
  return true;
}

void board_flush(void) { send_output(); }

void board_idle(void) {
  send_output();
  struct pollfd wait = {.fd = client >= 0 ? client : listener, .events = POLLIN};
  poll(&wait, 1, 1);
  looked_at = 0;
}

/* For who watches: no byte shows the rate here. */
void board_set_baud(uint32_t wanted) {
  rate = wanted;
  printf("rate %u\n", (unsigned)rate);
  fflush(stdout);
}

/* The chip. */

/* Also behind REBOOT: what was received but not read is gone, and so is another rate. */
void board_init(void) {
  input_at = input_length = output_length = 0;
  mode = BETWEEN;
  is_cut = false;
  if (rate != 0 && rate != bauds[0]) board_set_baud(bauds[0]);
}

uint32_t board_millis(void) { return (uint32_t)(micros() / 1000u); }

void board_uid(uint8_t to[12]) { memcpy(to, uid, sizeof uid); }

int16_t board_temperature(void) {
  if (temperature_file == NULL) return BOARD_NO_TEMPERATURE;
  FILE *file = fopen(temperature_file, "r");
  if (file == NULL) return BOARD_NO_TEMPERATURE;
  char text[32] = "";
  bool is_read = fgets(text, sizeof text, file) != NULL;
  fclose(file);
  char *rest = text;
  double celsius = strtod(text, &rest);
  bool is_number = is_read && rest != text && celsius > -274 && celsius < 3000;
  return is_number ? (int16_t)(celsius * 10 + (celsius < 0 ? -0.5 : 0.5)) : BOARD_NO_TEMPERATURE;
}

uint32_t board_clock_khz(void) { return 0; }

uint32_t board_restarts(void) { return restarts; }

void board_led(bool on) { (void)on; }

_Noreturn void board_reboot(bool boot_loader) {
  (void)boot_loader;
  restarts++;
  longjmp(start, 1);
}

/* The program. */

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "board-native: %s: %s\n", what, why);
  exit(1);
}

static _Noreturn void fail_usage(const char *what) {
  fprintf(stderr, "board-native: %s\n%s", what, usage);
  exit(2);
}

static void parse_uid(const char *text) {
  if (strlen(text) != 24 || strspn(text, "0123456789abcdefABCDEF") != 24) {
    fail_usage("--uid expects 24 hex digits");
  }
  for (size_t i = 0; i < sizeof uid; i++) {
    char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
    uid[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
}

static void parse_arguments(int count, char **arguments) {
  for (int i = 1; i < count; i++) {
    const char *argument = arguments[i];
    bool is_uid = strcmp(argument, "--uid") == 0;
    bool is_temperature = strcmp(argument, "--temperature-file") == 0;
    if (is_uid || is_temperature) {
      if (++i == count) fail_usage("an argument lacks its value");
      if (is_uid) parse_uid(arguments[i]);
      else temperature_file = arguments[i];
    } else if (strcmp(argument, "--no-derive") == 0) {
      board_info.needs_checkpoints = true;
    } else if (strcmp(argument, "--bauds") == 0) {
      board_info.bauds = bauds;
      board_info.baud_count = sizeof bauds / sizeof bauds[0];
    } else if (argument[0] == '-' || socket_path != NULL) {
      fail_usage("unknown argument");
    } else {
      socket_path = argument;
    }
  }
  if (socket_path == NULL) fail_usage("expects the path of a socket");
}

/* True if a socket is left over from a program that is gone. */
static bool is_left_over(const struct sockaddr_un *address) {
  struct stat status;
  if (lstat(socket_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  int probe = socket(AF_UNIX, SOCK_STREAM, 0);
  bool is_refused = connect(probe, (const struct sockaddr *)address, sizeof *address) != 0;
  is_refused = is_refused && errno == ECONNREFUSED;
  close(probe);
  return is_refused;
}

static void open_listener(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(socket_path) >= sizeof address.sun_path) fail(socket_path, "the path is too long");
  strcpy(address.sun_path, socket_path);
  if (is_left_over(&address)) unlink(socket_path);
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 4) != 0) {
    fail(socket_path, strerror(errno));
  }
  fcntl(listener, F_SETFL, O_NONBLOCK);
}

int main(int count, char **arguments) {
  parse_arguments(count, arguments);
  board_info.has_temperature = temperature_file != NULL;
  long long ram = (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  board_info.ram_bytes = ram > 0 && ram < UINT32_MAX ? (uint32_t)ram : UINT32_MAX;

  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  open_listener();
  printf("listening on unix:%s\n", socket_path);
  fflush(stdout);

  setjmp(start);
  board_init();
  tsp_init();
  for (;;) tsp_run();
}
