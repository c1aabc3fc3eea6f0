// Writes to the serial line, and sleeps with interrupts off, which ends a simulation.
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

int main(void) {
  UCSR0B = 1 << TXEN0;
  for (const char *next = "Hello, world!\n"; *next; next++) {
    while (!(UCSR0A & 1 << UDRE0)) {
    }
    UDR0 = *next;
  }
  cli();
  sleep_mode();
}
