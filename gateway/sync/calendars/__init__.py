"""The index of an account's calendars: what the server holds, as CalendarEvents with ids, states and a journal."""
